"""What of a gradient passes fused rules: a module for each room of the rule book, written from their compositions."""
