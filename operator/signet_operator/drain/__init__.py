"""How pods leave: step by step, each derived again from what is there, so a restart loses nothing.

`look.py` is what all of them look at; `scale_in.py`, `rollout.py`, `lost.py` and `asked.py` each
say what to do next for one reason to leave.
"""
