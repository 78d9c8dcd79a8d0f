"""Pictures: what a header says, whether a file is whole, and the one form all trainers agree on."""
