"""What machine configurations are: how the layers of one are put together (and what people are told about it).

Pure: files come in as bytes with the name that people know them by. It reads no folder, starts no program and knows no
clock; which machine gets which layers is decided from values as well.
"""
