"""What companion standards add to the Blue Book, as data: codes, logs, alarm bits, counters of tampering, pushes."""
