"""What SISF ships of data: the contrastive corpus and the sample sets, authored for the project."""
