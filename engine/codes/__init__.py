"""Every warning and error of StreamLake by its number: what it means, why it comes, and what to do."""
