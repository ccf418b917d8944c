"""Everything outbound, one class per remote; foreign words are translated here."""
