"""Checks that the Hub's client can send the token."""


def token_fault() -> str:
    """Return why the token cannot be sent, or an empty text; the text never has the token.

    HTTP headers are ASCII: with another character the client fails with a UnicodeEncodeError.
    """
    from huggingface_hub import get_token

    token = get_token() or ""
    if token.isascii() and token.isprintable():
        return ""
    return (
        "The token for the Hub (HF_TOKEN, or what `hf auth login` has kept) has an invalid "
        "character.\n"
        "Copy it again from huggingface.co/settings/tokens."
    )
