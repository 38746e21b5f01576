"""What a defence costs honest users: any number of sets, at one frozen revision."""
