-- The number by which the customer is known, where somebody without a public number has put the customer through.
ALTER TABLE interactions ADD COLUMN customer_number TEXT;
CREATE INDEX interactions_by_customer ON interactions (customer_number, started_at);
