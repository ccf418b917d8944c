"""What rheod is about, in plain Python: no I/O, no await, standard library only."""
