"""What a share of steered breaches does to honest users and to what is caught."""
