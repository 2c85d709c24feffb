"""Gas physics: compressibility, calorific values, conversion (EN 12405, ISO 12213, ISO 6976); pure functions."""
