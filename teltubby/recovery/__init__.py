"""`teltubby backup`, `teltubby restore` and `teltubby prune`: what an operator does about data, by hand."""
