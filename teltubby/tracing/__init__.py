"""One job's way through both processes: what the ledger keeps of it, and what the logs say, as one timeline."""
