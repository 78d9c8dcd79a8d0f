"""The Hub: uploads dataset folders, and compares repositories with them.

A push first compares the repository with the folder, then uploads what is missing. So a first push,
a resumed one, one after a lost response and one without changes all take the same path.
"""
