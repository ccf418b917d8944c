-- why what a result asks for cannot be sent yet: no call is left for it
ALTER TABLE listings ADD COLUMN put_off TEXT;
CREATE INDEX listings_put_off ON listings (state) WHERE put_off IS NOT NULL;
