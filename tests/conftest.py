"""What all tests share."""

import os

# Keras takes its backend from the environment when it is first imported; PyTorch is the one in the extra [oracles].
os.environ.setdefault("KERAS_BACKEND", "torch")
