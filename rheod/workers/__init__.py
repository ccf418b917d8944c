"""Everything that runs by itself: the lanes over the jobs table and the loops beside them."""
