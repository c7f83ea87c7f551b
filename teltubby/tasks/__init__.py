"""The collector's commands as modules, for schedulers that start those: `python -m teltubby.tasks.sync_history`."""
