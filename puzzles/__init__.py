"""What a coin may do: every puzzle of the registry and its driver. Pure: bytes in, bytes out."""
