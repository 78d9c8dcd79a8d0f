"""Finds faults in the token that the Hub's client would send."""


def token_fault() -> str:
    """Why the token cannot be sent; empty where it can. The token itself is never named.

    A header of HTTP is ASCII: the client would stop somewhere with a UnicodeEncodeError.
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
