"""How an answer is marked: a problem at generic numbers, and what each mistake would give there."""
