// The script of /docs, bundled by the build. It runs in a browser.
import 'swagger-ui-dist/swagger-ui.css';
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';

SwaggerUI({
  url: 'openapi.json',
  dom_id: '#viewer',
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  // Without this, Swagger UI sends the document to a service on the Internet.
  validatorUrl: null,
});
