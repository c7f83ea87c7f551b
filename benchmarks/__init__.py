"""What teltubby is worth beside other clients, measured: `make bench`, or `python -m benchmarks`.

Every simulated Telegram, client, worker and store is a process of its own, so that CPU seconds and memory are its own.

    __main__ -> suite -> downloads, halves, large, kills, queue_rates, criteria -> starting -> bench, product, samples
             -> store, settings, telegram

`child` runs processes: `clients/` download, `s3_sink` and `primitives` are two more. `results` and `report` are rows.
"""
