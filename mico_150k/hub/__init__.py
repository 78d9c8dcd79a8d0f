"""The Hub: sending a dataset folder there, and comparing what lies there with it.

Everything rests on looking first: what is there is compared with what should be, and what is
missing is sent. So a first push, one that goes on after an interruption, an answer that was lost
and a push where nothing has changed are one and the same.
"""
