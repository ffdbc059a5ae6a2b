-- Who had a delivery tried again that was given up, and when.
ALTER TABLE webhook_deliveries
    ADD COLUMN requeued_at timestamptz,
    ADD COLUMN requeued_by text;
