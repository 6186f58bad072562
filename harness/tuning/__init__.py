"""Settings chosen on validation pictures: the fine-tuning rate and the strengths of regularisers.

May import study and the rooms below it.
"""
