"""`rheod setup` and `rheod uninstall`: settings file, program, units."""
