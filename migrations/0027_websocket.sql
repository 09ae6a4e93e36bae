-- What is asked for at the server of a line's WebSocket, such as /ws; null for lines of other transports.
ALTER TABLE lines ADD COLUMN websocket_path TEXT;
