"""Settings chosen on validation pictures: the fine-tuning rate and the strength of regularisers. Imports study."""
