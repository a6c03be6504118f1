"""Generated from protos/signet/e2e/v1: the wire of two devices, and what a device keeps."""
