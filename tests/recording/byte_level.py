"""Text as byte-level BPE writes it."""

PRINTED = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
OTHERS = [byte for byte in range(0x100) if byte not in PRINTED]
LETTERS = {byte: chr(byte) for byte in PRINTED} | {b: chr(0x100 + i) for i, b in enumerate(OTHERS)}


def byte_level(data: bytes) -> str:
    """One letter for each byte, after `bytes_to_unicode` of GPT-2."""
    return "".join(LETTERS[byte] for byte in data)
