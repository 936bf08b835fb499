interface Access {
  url: string;
  token: string;
}

interface Example {
  title: string;
  code: (access: Access) => string;
}

/** Reads and writes in the collection `documents`, which every new database has by default. */
export const EXAMPLES: readonly Example[] = [
  {
    title: 'JavaScript',
    code: ({ url, token }) => `// npm install pocketbase
import PocketBase from 'pocketbase';

const pb = new PocketBase('${url}');
pb.authStore.save('${token}');

await pb.collection('documents').create({ title: 'hello' });
console.log(await pb.collection('documents').getFullList());
`,
  },
  {
    title: 'curl',
    code: ({ url, token }) => `URL='${url}'
TOKEN='${token}'

curl "$URL/api/collections/documents/records" -H "Authorization: $TOKEN" \\
  -H 'Content-Type: application/json' -d '{"title":"hello"}'
curl "$URL/api/collections/documents/records" -H "Authorization: $TOKEN"
`,
  },
  {
    title: 'Dart',
    code: ({ url, token }) => `// dart pub add pocketbase
import 'package:pocketbase/pocketbase.dart';

Future<void> main() async {
  final pb = PocketBase('${url}');
  pb.authStore.save('${token}', null);

  await pb.collection('documents').create(body: {'title': 'hello'});
  print(await pb.collection('documents').getFullList());
}
`,
  },
];
