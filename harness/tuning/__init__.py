"""Chooses fine-tuning rates and strengths of regularisers on validation pictures. Imports study."""
