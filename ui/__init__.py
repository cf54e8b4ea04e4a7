"""The doors: command line, web pages, and what connects them to engines, settings and the ledger."""
