"""What happens to the request of a machine: opened, polled, delivered, collected."""
