"""What more than one function needs: one module for one concept."""
