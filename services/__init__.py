"""The programs of Denizen. Each folder's docstring says what it does and what it may import."""
