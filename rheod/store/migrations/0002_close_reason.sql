-- Why Tradera says an ad closed, as it was read when its message came: a message is parsed once.
ALTER TABLE inbox ADD COLUMN close_reason TEXT
  CHECK (close_reason IN ('no_bids', 'closed_by_tradera', 'closed_by_seller', 'quantity_zero'));

-- those that wait now were read when they came, so their body has one of the four reasons
UPDATE inbox SET close_reason = CASE WHEN json_valid(body) THEN
    CASE json_extract(body, '$.Reason')
      WHEN 'ItemEndedWithoutBuyer' THEN 'no_bids'
      WHEN 'ItemClosedBySeller' THEN 'closed_by_seller'
      WHEN 'ShopItemQuantityZero' THEN 'quantity_zero'
      ELSE 'closed_by_tradera'
    END
  ELSE 'closed_by_tradera' END
  WHERE type = 'ItemClosed' AND state = 'new';
