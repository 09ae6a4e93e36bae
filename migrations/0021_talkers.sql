-- Who talked with the customer beside the first: a call that was handed over is found by each of them.
CREATE TABLE interaction_talkers (
    user_id        TEXT NOT NULL,
    interaction_id TEXT NOT NULL,
    PRIMARY KEY (user_id, interaction_id)
);
