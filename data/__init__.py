"""What everything else is made of: the nouns, the ledger, the files, the prompt sets."""
