-- what is to be said of a picture though it can be shown, and whether its failure was told to the ERP
ALTER TABLE pictures ADD COLUMN note TEXT;
ALTER TABLE pictures ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1));

-- those of before stay history: nobody is told of them now
UPDATE pictures SET told = 1 WHERE state = 'failed';
