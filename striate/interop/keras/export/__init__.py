"""Writing Keras's files, which Keras opens as its own.

`networks` which of Keras's layers stand for ours · `layers` each of them · `order` how they are numbered · `configs`
all of it as JSON · `weights` where the numbers lie · `files` what is written.
"""
