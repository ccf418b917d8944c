-- Auctions end when buyers are there: the place in the plan that a listing has, as JSON; NULL: it goes when its turn comes.
ALTER TABLE listings ADD COLUMN end_place TEXT;
