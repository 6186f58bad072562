"""Compare scores of units with the true change of the loss when each unit is removed. Imports study."""
