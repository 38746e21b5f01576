"""The `local` judge: no language model, CPU, milliseconds."""
