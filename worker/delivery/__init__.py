"""The delivery engine, one file per step of the flow."""
