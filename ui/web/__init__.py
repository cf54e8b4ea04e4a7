"""The pages: Streamlit around what the ledger holds. They read it, and start nothing."""
