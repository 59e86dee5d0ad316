"""Further figures of the MRI study, and another scanner."""
