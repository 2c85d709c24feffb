"""M-Bus (EN 13757): telegrams, records, protection, master and slave; no input or output."""
