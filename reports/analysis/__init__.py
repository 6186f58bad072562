"""Records to evidence: one table (DataFrame) per question, of plain numbers; accuracies are fractions."""
