-- What kind of body an answer kept for its Idempotency-Key has; null when it has none.
ALTER TABLE idempotency_keys ADD COLUMN content_type TEXT;
