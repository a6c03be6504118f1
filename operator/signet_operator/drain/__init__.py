"""The long work of a tier, one step a look: scale-in, rollout, lost pods. Pure."""
