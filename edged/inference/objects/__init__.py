"""Things beside faces: phones, people and whatever else the detector in use knows."""
