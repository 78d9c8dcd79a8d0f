"""Uploads dataset folders to the Hub, and compares repositories with them.

A push first compares the repository with the folder, then uploads what is missing. First pushes,
resumed pushes, pushes after a lost response and pushes without changes all take the same path.
"""
